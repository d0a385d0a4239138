"""sentence-transformers' CrossEncoder with its torch, ONNX and OpenVINO backends, as its documentation uses them:
https://sbert.net/docs/cross_encoder/usage/efficiency.html. predict() sorts pairs by length itself."""

from importlib.metadata import version

import torch
from sentence_transformers import CrossEncoder

PACKAGES = {
    "torch": ["torch"],
    "onnx": ["onnxruntime", "optimum-onnx"],
    "openvino": ["openvino", "optimum-intel"],
}


class SentenceTransformersPeer:
    def __init__(self, folder, settings):
        self.backend = settings["backend"]
        self.batch = settings["batch"]
        self.model = CrossEncoder(
            folder,
            backend=self.backend,
            device="cpu",
            max_length=512,
            local_files_only=True,
            model_kwargs=settings.get("modelKwargs", {}),
        )

    def score(self, query, documents):
        pairs = [[query, document] for document in documents]
        return self.model.predict(
            pairs, batch_size=self.batch, activation_fn=torch.nn.Identity(), show_progress_bar=False
        )

    def facts(self):
        names = ["sentence-transformers", "transformers", *PACKAGES[self.backend]]
        return {"versions": {name: version(name) for name in names}, **self.execution()}

    def execution(self):
        if self.backend == "openvino":
            from openvino_peer import execution_of

            return execution_of(self.model.transformers_model.request)
        if self.backend == "onnx":
            threads = self.model.transformers_model.model.get_session_options().intra_op_num_threads
            return {"execution": f"intra_op_num_threads {threads} (0: all cores)"}
        parameter = next(self.model.parameters())
        return {"execution": f"{torch.get_num_threads()} threads, {str(parameter.dtype).removeprefix('torch.')}"}
