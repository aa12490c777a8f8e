"""Vectors of texts by sentence-transformers on torch, float32.

    python bench/peers_embed.py MODEL TOKENS TEXTS.json VECTORS.npz

`lengths` are those of the texts in tokens, and one more than TOKENS for each that was cut off there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)
model = SentenceTransformer(sys.argv[1], device="cpu")
model.max_seq_length = int(sys.argv[2])
texts = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
lengths = [len(ids) for ids in model.tokenizer(texts, truncation=True, max_length=model.max_seq_length + 1)["input_ids"]]
vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
np.savez(sys.argv[4], vectors=vectors, lengths=np.array(lengths))
