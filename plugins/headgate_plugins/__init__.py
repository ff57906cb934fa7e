"""The plugin SDK and the first-party plugins."""
