"""Run exported models: devices, sessions, compiled models and the choice of a backend."""
