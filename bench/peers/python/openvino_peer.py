"""OpenVINO by its own API: a performance hint, and an asynchronous queue where several streams run, as in
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/high-level-performance-hints.html.
Pairs are sorted by length and padded to the longest of a batch."""

from importlib.metadata import version

import numpy as np
import openvino
from transformers import AutoTokenizer


def execution_of(compiled):
    """What a compiled model really runs with."""
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    streams = compiled.get_property("NUM_STREAMS")
    threads = compiled.get_property("INFERENCE_NUM_THREADS")
    return {"execution": f"{threads} threads, {streams} streams, {precision}"}


class OpenVinoPeer:
    def __init__(self, folder, settings):
        self.batch = settings["batch"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = f"{folder}/openvino/{settings['file']}"
        self.compiled = openvino.Core().compile_model(model, "CPU", settings["config"])
        self.inputs = [port.get_any_name() for port in self.compiled.inputs]
        self.queue = openvino.AsyncInferQueue(self.compiled)

    def score(self, query, documents):
        scores = np.empty(len(documents), dtype=np.float64)

        def keep(request, indices):
            scores[indices] = request.get_output_tensor(0).data[:, 0]

        self.queue.set_callback(keep)
        order = np.argsort([-len(document) for document in documents], kind="stable")
        for start in range(0, len(documents), self.batch):
            indices = order[start : start + self.batch]
            encoded = self.tokenizer(
                [query] * len(indices),
                [documents[index] for index in indices],
                padding=True,
                truncation="longest_first",
                max_length=512,
                return_tensors="np",
            )
            self.queue.start_async({name: encoded[name] for name in self.inputs}, userdata=indices)
        self.queue.wait_all()
        return scores

    def facts(self):
        names = ["openvino", "transformers", "tokenizers"]
        return {"versions": {name: version(name) for name in names}, **execution_of(self.compiled)}
