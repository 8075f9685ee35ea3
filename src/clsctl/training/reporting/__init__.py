"""How training is shown and logged: callbacks, the display, plots and the expected time."""
