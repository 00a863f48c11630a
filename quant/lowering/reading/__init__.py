"""Reading a model: the ONNX file, what its operators mean, and the one form that each of them gets."""
