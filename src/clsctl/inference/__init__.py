"""Exported models: sessions, conversion behind the parity gate, and the choice of a backend."""
