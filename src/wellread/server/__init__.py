"""What Wellread says over HTTP."""
