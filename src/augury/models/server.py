"""Continuations from a server that speaks the OpenAI completions protocol (vLLM, SGLang, others).

The prompt is sent as token ids, never as text, so the server cannot add a BOS or a template of its
own. Draws are the server's: equal seeds repeat there as far as the server promises it.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from augury.errors import DataError, MissingInput, UsageError
from augury.models.generate import Generation, Sampling

__all__ = ["ServerModel"]

_TRIES = 4
_SECONDS = 600
_SEED_BITS = 31
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


class ServerModel:
    """One model behind a server.

    Args:
        url: Up to and with the version, e.g. `http://localhost:8000/v1`.
        model: The name under which the server knows it.
        tokenizer: Of that model; needed where the server returns text and no ids.
        at_once: Requests that are under way together.
    """

    def __init__(self, url: str, model: str, tokenizer: Any, *, at_once: int = 16) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError("server", found=repr(url), expected="http://... or https://...")
        self._url, self._model, self._tokenizer = url.rstrip("/"), model, tokenizer
        self._at_once = at_once

    def sample(
        self, prompts: Sequence[Sequence[int]], settings: Sampling, keys: Sequence[int]
    ) -> list[Generation]:
        """Continue every prompt; one request each, several at once.

        Raises:
            MissingInput: The server cannot be reached, or refuses.
            DataError: It answers something else, or text that is not made of tokens.
        """
        with ThreadPoolExecutor(self._at_once) as pool:
            jobs = [
                pool.submit(self._one, list(prompt), settings, key)
                for prompt, key in zip(prompts, keys, strict=True)
            ]
            return [job.result() for job in jobs]

    def _one(self, prompt: list[int], settings: Sampling, key: int) -> Generation:
        answer = self._ask(
            {
                "model": self._model,
                "prompt": prompt,
                "max_tokens": settings.max_new_tokens,
                "temperature": settings.temperature,
                "top_p": settings.top_p,
                "seed": (settings.seed * 1_000_003 + key) % 2**_SEED_BITS,
                "return_token_ids": True,
                "skip_special_tokens": False,
            }
        )
        try:
            choice = answer["choices"][0]
            finish, text = choice["finish_reason"], choice["text"]
        except (KeyError, IndexError, TypeError) as error:
            raise self._strange(answer, "choices[0] with text and finish_reason") from error
        if finish not in ("stop", "length") or not isinstance(text, str):
            raise self._strange(answer, "finish_reason 'stop' or 'length'")
        ids = choice.get("token_ids")
        return Generation(self._without_end(ids) if ids else self._encoded(text), finish)

    def _without_end(self, ids: list[int]) -> list[int]:
        ends = {self._tokenizer.eos_token_id}
        return ids[:-1] if ids[-1] in ends else ids

    def _encoded(self, text: str) -> list[int]:
        """The ids of a text that came without them; they may not be those that were drawn."""
        ids = [int(i) for i in self._tokenizer(text, add_special_tokens=False)["input_ids"]]
        if self._tokenizer.decode(ids, clean_up_tokenization_spaces=False) != text:
            raise DataError(
                self._url,
                found=f"text that the tokenizer does not give back: {text[:60]!r}",
                expected="token_ids, or text of this tokenizer",
                fix="start the server with the tokenizer of model.name",
            )
        return self._without_end(ids) if ids else ids

    def _ask(self, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self._url}/completions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        for attempt in range(_TRIES):
            try:
                with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                if error.code not in _RETRIED or attempt == _TRIES - 1:
                    told = error.read(300).decode("utf-8", "replace")
                    raise self._refused(f"HTTP {error.code}: {told}") from error
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                if attempt == _TRIES - 1:
                    raise self._refused(str(getattr(error, "reason", error))) from error
            except ValueError as error:
                raise self._strange("no JSON", "a JSON object") from error
            time.sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable")

    def _refused(self, found: str) -> MissingInput:
        return MissingInput(
            self._url,
            found=found,
            expected="a server with /completions",
            fix="start it, and check generation.url and the model's name",
        )

    def _strange(self, answer: object, expected: str) -> DataError:
        return DataError(self._url, found=str(answer)[:200], expected=expected)
