"""The command `carryon`: what a developer's own machine does with the layer."""
