"""The plugin API; `mediaserver.contracts`, `.events`, `.errors`, `.models` and `.testing` complete it."""

API_VERSION = "1"
__version__ = "0.1.0"

__all__ = ["API_VERSION"]
