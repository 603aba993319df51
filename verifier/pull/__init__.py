"""Where images and bundles come from: the only part of the verifier that does I/O."""
