"""Writes expected.json: what lm-evaluation-harness puts and finds for the tasks in this folder.

Run it in this folder, in an environment with lm-eval 0.4.13 (its base install, without torch).
"""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import judge
from lm_eval import simple_evaluate
from lm_eval.api.model import LM


class Rule(LM):
    def generate_until(self, requests, disable_tqdm=False):
        said = []
        for request in requests:
            prompt, how = request.args
            text = judge.written(prompt)
            for stop in how["until"]:
                text = text.split(stop)[0]
            said.append(text)
        return said

    def loglikelihood(self, requests, disable_tqdm=False):
        return [judge.likely(*request.args) for request in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        return [judge.likely("", request.args[0])[0] for request in requests]


def named(metric, extraction):
    return metric if extraction == "none" else f"{metric},{extraction}"


def packed(samples, results):
    items = {}
    for sample in samples:
        put = sample["arguments"]
        asked = [one[1] for one in put if len(one) > 1 and isinstance(one[1], str)]
        item = items.setdefault(str(sample["doc_id"]), {"prompt": put[0][0], "asked": asked, "scores": {}})
        for metric in sample["metrics"]:
            if isinstance(sample[metric], (int, float)):
                item["scores"][named(metric, sample["filter"])] = float(sample[metric])
    scores = {key.removesuffix(",none"): float(value) for key, value in results.items() if "," in key and "stderr" not in key}
    return {"scores": scores, "items": items}


got = simple_evaluate(model=Rule(), tasks=sorted(map(str, Path().glob("*.yaml"))), log_samples=True, bootstrap_iters=0)
expected = {name: packed(samples, got["results"][name]) for name, samples in got["samples"].items()}
Path("expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
