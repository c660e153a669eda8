"""Two stores of the same tokens: do their rows pair one to one?"""

from __future__ import annotations

import xxhash

from augury.activations.store import Store
from augury.errors import ConfigError
from augury.plain import difference_table

__all__ = ["paired"]

_SHARED = ("weights", "model_config", "tokenizer", "dtype")


def paired(store: Store, base: Store) -> tuple[str, ...]:
    """Check that row k of one store and row k of the other are the same token of the same text.

    Args:
        store: Read with an adapter.
        base: Read from the model below it.

    Returns:
        Sites that both hold, in the order of a forward pass: there, `store - base` is what the
        adapter changed.

    Raises:
        ConfigError: The rows do not pair, the models below differ, or both are the same model; a
            table says how the stores differ.
    """
    where = f"stores {store.path} and {base.path}"
    table = difference_table(_key(store), _key(base), names=("store", "base"))
    if table:
        raise ConfigError(
            where,
            found=f"rows that do not pair:\n{table}\n",
            expected="two readings of the same tokens, with an adapter and of its base model",
            fix="read both in one job (twins: true)",
        )
    with_adapter, without = (one.identity.get("adapter") for one in (store, base))
    if without or (with_adapter is not None and with_adapter == without):
        raise ConfigError(
            f"{where}: identity.adapter",
            found=f"{with_adapter or 'none'} and {without or 'none'}",
            expected="an adapter, and none",
            fix="name the store of the adapter first, that of its base model second",
        )
    sites = tuple(site for site in store.sites if site in base)
    if not sites:
        raise ConfigError(
            f"{where}: sites",
            found=f"{', '.join(store.sites)} and {', '.join(base.sites)}",
            expected="at least one that both hold",
        )
    return sites


def _key(store: Store) -> dict[str, object]:
    index = xxhash.xxh3_128()
    for column in store.index.values():
        index.update(column.tobytes())
    identity = store.identity
    return {
        "traces": store.content,
        "rows": store.n_rows,
        "trace and token of each row": index.hexdigest(),
        "identity": {name: identity[name] for name in _SHARED if name in identity},
    }
