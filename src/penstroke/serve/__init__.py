"""HTTP: a model as a server that can be exposed to clients that are not trusted.

One process speaks HTTP and computes nothing. It passes pictures to worker processes, several at a time, and each
worker decodes, prepares and classifies them with ``Classifier``. A worker that dies or stalls is replaced, and the
other pictures that it had are given to another one. The server needs the extra ``serve``, and no PyTorch where
onnxruntime computes the model.
"""
