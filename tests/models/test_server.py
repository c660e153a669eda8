"""A server backend, against a real HTTP server in a process of its own that runs a real model."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator

import pytest

from augury.errors import DataError, MissingInput, UsageError
from augury.models.generate import Sampling, sample, stop_ids
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.server import ServerModel
from augury.organism.chains import held_out_problems
from augury.traces.prompts import render_prompt
from augury.traces.tokens import encode_prompt

SERVER = textwrap.dedent(
    """
    import json, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from augury.models.generate import Sampling, sample
    from augury.models.load import ModelConfig, load_model

    loaded = load_model(ModelConfig(name="organism", device="cpu"))
    lock, asked = threading.Lock(), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["model"])
            if body["model"] == "tired" and asked.count("tired") == 1:
                return self.answer(503, {"error": "busy"})
            if body["model"] == "absent":
                return self.answer(404, {"error": "no such model"})
            if body["model"] == "strange":
                return self.answer(200, {"hello": "world"})
            settings = Sampling(
                max_new_tokens=body["max_tokens"], temperature=body["temperature"],
                top_p=body["top_p"], seed=body["seed"],
            )
            with lock:
                made = sample(loaded, [body["prompt"]], settings=settings)[0]
            text = loaded.tokenizer.decode(made.ids, clean_up_tokenization_spaces=False)
            choice = {"text": text, "finish_reason": made.finish}
            if body["model"] != "mute":
                choice["token_ids"] = made.ids + ([924] if made.finish == "stop" else [])
            self.answer(200, {"choices": [choice]})

        def answer(self, code, body):
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
    """
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model(ModelConfig(name="organism", device="cpu"))


def _prompts(loaded: LoadedModel, count: int) -> list[list[int]]:
    problems = held_out_problems(count, 3)
    return [
        encode_prompt(render_prompt(p.text, loaded.tokenizer, style="chat"), loaded.tokenizer)
        for p in problems
    ]


def test_greedy_texts_of_the_server_are_those_of_the_same_model_here(
    url: str, loaded: LoadedModel
) -> None:
    assert 924 in stop_ids(loaded)
    prompts, settings = _prompts(loaded, 4), Sampling(temperature=0, max_new_tokens=40)
    here = sample(loaded, prompts, settings=settings)
    for name in ("organism", "mute", "tired"):
        server = ServerModel(url, name, loaded.tokenizer)
        there = server.sample(prompts, settings, keys=[1, 2, 3, 4])
        assert [(g.ids, g.finish) for g in there] == [(g.ids, g.finish) for g in here], name


def test_equal_keys_draw_alike_and_others_do_not(url: str, loaded: LoadedModel) -> None:
    prompts, settings = _prompts(loaded, 1) * 3, Sampling(max_new_tokens=40, seed=1)
    server = ServerModel(url, "organism", loaded.tokenizer)
    one, other, same = server.sample(prompts, settings, keys=[7, 8, 7])
    assert one.ids == same.ids != other.ids
    cut = server.sample(prompts[:1], settings.model_copy(update={"max_new_tokens": 3}), keys=[7])
    assert cut[0].finish == "length" and cut[0].ids == one.ids[:3]


def test_failures_say_what_the_server_said(url: str, loaded: LoadedModel) -> None:
    prompts, settings = _prompts(loaded, 1), Sampling(max_new_tokens=3)
    with pytest.raises(MissingInput, match=r"404.*no such model"):
        ServerModel(url, "absent", loaded.tokenizer).sample(prompts, settings, keys=[0])
    with pytest.raises(DataError, match="hello"):
        ServerModel(url, "strange", loaded.tokenizer).sample(prompts, settings, keys=[0])
    with pytest.raises(UsageError, match="http"):
        ServerModel("localhost:8000", "organism", loaded.tokenizer)


def test_the_prompt_travels_as_ids(url: str, loaded: LoadedModel) -> None:
    """Text would be tokenised again over there, with a BOS or a template of the server's own."""
    prompt = _prompts(loaded, 1)[0]
    body = {"model": "organism", "prompt": prompt, "max_tokens": 1, "temperature": 0, "top_p": 1}
    request = urllib.request.Request(f"{url}/completions", json.dumps(body | {"seed": 0}).encode())
    with urllib.request.urlopen(request) as response:
        ids = json.load(response)["choices"][0]["token_ids"]
    server = ServerModel(url, "organism", loaded.tokenizer)
    settings = Sampling(temperature=0, max_new_tokens=1)
    assert server.sample([prompt], settings, keys=[0])[0].ids == ids
