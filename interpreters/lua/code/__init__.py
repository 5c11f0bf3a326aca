"""The instructions: objects that execute themselves in a frame."""
