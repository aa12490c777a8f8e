"""The English embedder in torch, whose matrices stay as they are and learn a change of low rank each (LoRA, Hu et al. 2021,
arXiv:2106.09685). What is read runs through it without padding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError
from wellread.models import bert
from wellread.models.adapter import MATRICES, Adapter, Change
from wellread.models.graph import open_session

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Texts:
    """Pairs of texts laid end to end. `ids` int64 [tokens], `starts` int64 [pairs + 1], `seconds` int64 [pairs]: where, counted from its
    start, a pair's second text begins. `offsets` are, for each pair, the code points that its tokens stand for."""

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    seconds: NDArray[np.int64]
    offsets: tuple[list[tuple[int, int]], ...]


def encode(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> Texts:
    """Pairs of texts as one batch. `tokenizer` must cut pairs at the length wanted."""
    encoded = tokenizer.encode_batch(list(pairs))
    return Texts(
        ids=np.concatenate([np.array(each.ids, np.int64) for each in encoded]),
        starts=np.cumsum([0, *(len(each.ids) for each in encoded)]).astype(np.int64),
        seconds=np.array([each.type_ids.index(1) for each in encoded], np.int64),
        offsets=tuple(each.offsets for each in encoded),
    )


class Encoder:
    """The encoder with what it learns: changes of low rank, which begin at nothing, or as those of `start`."""

    def __init__(self, base: bert.Bert, *, rank: int, seed: int, start: Adapter | None = None) -> None:
        """Raises `ModelError` when the changes of `start` are not of this rank, or of another encoder."""
        import torch

        maker = torch.Generator().manual_seed(seed)
        self.width = base.positions.shape[1]
        self._heads, self._epsilon = base.heads, base.epsilon
        self._words = torch.from_numpy(word_vectors(base))
        self._positions = torch.from_numpy(base.positions.copy())
        self._norm = _pair(base.norm)
        self._blocks = [{name: _pair(getattr(block, name)) for name in (*MATRICES, "output_norm", "down_norm")} for block in base.blocks]
        self._changes: list[dict[str, tuple[Any, Any]]] = []
        for block in self._blocks:
            made = {}
            for name in MATRICES:
                outputs, inputs = block[name][0].shape
                down = torch.randn(rank, inputs, generator=maker) / inputs**0.5
                made[name] = (down.requires_grad_(), torch.zeros(outputs, rank).requires_grad_())
            self._changes.append(made)
        if start is not None:
            self._begin(start)

    def _begin(self, start: Adapter) -> None:
        import torch

        found = [part for block in start.blocks for name in MATRICES for part in (block[name].down, block[name].up)]
        if [part.shape for part in found] != [tuple(tensor.shape) for tensor in self.trained()]:
            raise ModelError("The changes to begin with do not fit this encoder.", hint="begin with those of an adapter of the same rank")
        with torch.no_grad():
            for tensor, part in zip(self.trained(), found, strict=True):
                tensor.copy_(torch.from_numpy(part))

    def learned(self) -> tuple[dict[str, Change], ...]:
        """What was learned so far, as arrays."""
        return tuple(
            {name: Change(down.detach().numpy().copy(), up.detach().numpy().copy()) for name, (down, up) in block.items()}
            for block in self._changes
        )

    def trained(self) -> list[Any]:
        """Every tensor that learns."""
        return [part for block in self._changes for pair in block.values() for part in pair]

    def hidden(self, texts: Texts) -> Any:
        """The last hidden vectors, float32 [tokens, width]."""
        import torch
        from torch.nn import functional

        lengths = np.diff(texts.starts)
        longest = int(lengths.max())
        places = np.concatenate([np.arange(length) for length in lengths])
        rows = torch.from_numpy(np.repeat(np.arange(len(lengths)) * longest, lengths) + places)
        mask = torch.arange(longest)[None] < torch.from_numpy(lengths)[:, None]
        x = self._normed(self._words[torch.from_numpy(texts.ids)] + self._positions[torch.from_numpy(places)], self._norm)
        for block, changes in zip(self._blocks, self._changes, strict=True):
            parts = (self._padded(_dense(x, block, changes, name), rows, len(lengths), longest) for name in ("query", "key", "value"))
            mixed = functional.scaled_dot_product_attention(*parts, attn_mask=mask[:, None, None, :])
            mixed = mixed.transpose(1, 2).reshape(len(lengths) * longest, -1)[rows]
            x = self._normed(x + _dense(mixed, block, changes, "output"), block["output_norm"])
            raised = functional.gelu(_dense(x, block, changes, "up"))
            x = self._normed(x + _dense(raised, block, changes, "down"), block["down_norm"])
        return x

    def _padded(self, x: Any, rows: Any, pairs: int, longest: int) -> Any:
        """[tokens, width] to [pairs, heads, longest, width of a head]."""
        wide = x.new_zeros(pairs * longest, x.shape[1]).index_copy(0, rows, x)
        return wide.view(pairs, longest, self._heads, -1).transpose(1, 2)

    def _normed(self, x: Any, norm: tuple[Any, Any]) -> Any:
        from torch.nn import functional

        return functional.layer_norm(x, (x.shape[-1],), *norm, eps=self._epsilon)


def _dense(x: Any, block: dict[str, tuple[Any, Any]], changes: dict[str, tuple[Any, Any]], name: str) -> Any:
    from torch.nn import functional

    down, up = changes[name]
    return functional.linear(x, *block[name]) + functional.linear(functional.linear(x, down), up)


def word_vectors(base: bert.Bert) -> NDArray[np.float32]:
    """The word vectors as float32 [words, width]."""
    if isinstance(base.words, bert.ByteWords):
        return base.words.values.astype(np.float32) * base.words.scales
    raise ValueError("only word vectors of 8 bits are read here")


def _pair(part: bert.Dense | bert.Norm) -> tuple[Any, Any]:
    import torch

    first = part.weight if isinstance(part, bert.Dense) else part.gain
    return torch.from_numpy(first.copy()), torch.from_numpy(part.bias.copy())


def drift(encoder: Encoder, base: bert.Bert, texts: Texts, folder: Path) -> float:
    """The largest difference between an untrained encoder's hidden vectors and those of the float32 graph of the same weights."""
    import torch

    path = folder / "float32.onnx"
    bert.save(base, path, precision="float32")
    session = open_session(path)
    with torch.no_grad():
        ours = encoder.hidden(texts).numpy()
    pairs = zip(texts.starts[:-1], texts.starts[1:], strict=True)
    return max(
        float(np.abs(session.run(None, {"input_ids": texts.ids[None, start:end]})[0][0] - ours[start:end]).max()) for start, end in pairs
    )


def drawn(items: Sequence[_Item], size: int, steps: int, chance: random.Random) -> Iterator[list[_Item]]:
    """What each step looks at: `size` items, in an order by chance, every item once before any comes again. There must be some."""
    left: list[_Item] = []
    for _ in range(steps):
        while len(left) < size:
            left += chance.sample(items, len(items))
        picked, left = left[:size], left[size:]
        yield picked


def train(
    tensors: Sequence[Any], losses: Iterator[Any], steps: int, tell: Callable[[int, float], None], *, rate: float, warm_steps: int = 50
) -> None:
    """Adam (Kingma and Ba 2015) with a rate that rises for a few steps and then falls to zero; gradients longer than 1 are cut.

    `losses` gives the loss of each step, worked out when it is asked for: `tensors` have changed since the one before.
    """
    import torch

    optimizer = torch.optim.AdamW(tensors, lr=rate, weight_decay=0.01)
    warm = min(warm_steps, max(1, steps // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: min((at + 1) / warm, max(0.0, (steps - at) / steps)))
    for at, loss in enumerate(losses):
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        tell(at, float(loss.detach()))
