from tests.end_to_end.conftest import machine

__all__ = ["machine"]
