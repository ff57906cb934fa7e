"""The backend SDK and the vendors."""
