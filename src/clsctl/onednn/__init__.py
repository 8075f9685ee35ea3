"""Trainable networks on a processor with oneDNN, by calling the library that Paddle's wheel brings.

- `switch.py`: how a stock network is switched over for a while
- `layers.py`: which of Paddle's layers run on oneDNN, and with which options
- `functions.py`: oneDNN's primitives as functions that Paddle differentiates
- `primitives.py`: the primitives themselves, one class a kind, made once a shape
- `onednn.py`: oneDNN's C API
- `selftest.py`: whether all that gives what stock Paddle gives, on this machine

See docs/explanation/training-on-cpu.md.
"""
