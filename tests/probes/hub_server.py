"""A model hub on this machine: the few endpoints that huggingface_hub needs, over a folder.

Repositories lie as `root/owner/name/<commit>/files`, the newest commit named in `HEAD`. Weights go
through the LFS endpoints, everything else through the commit itself, as on the real hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

Reply = tuple[int, dict[str, str], bytes]


class Hub:
    """The repositories, as files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / ".objects"
        self.objects.mkdir(parents=True)
        self.served: list[str] = []
        """Files that were downloaded."""

    def folder(self, repo: str, revision: str = "main") -> Path | None:
        base = self.root / repo
        if not (base / "HEAD").is_file():
            return None
        commit = (base / "HEAD").read_text() if revision == "main" else revision
        return base / commit if (base / commit).is_dir() else None

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """The files on top of those of the newest commit."""
        told = sorted((name, hashlib.sha1(data).hexdigest()) for name, data in files.items())
        oid = hashlib.sha1(json.dumps(told).encode()).hexdigest()
        before, after = self.folder(repo), self.root / repo / oid
        if before is not None and before != after:
            shutil.copytree(before, after)
        for name, data in files.items():
            (after / name).parent.mkdir(parents=True, exist_ok=True)
            (after / name).write_bytes(data)
        (self.root / repo / "HEAD").write_text(oid)
        return oid

    def listing(self, folder: Path) -> dict[str, object]:
        siblings = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            told: dict[str, object] = {
                "rfilename": path.relative_to(folder).as_posix(),
                "size": len(data),
                "blobId": git_hash(data),
            }
            if path.suffix == ".safetensors":
                sha256 = hashlib.sha256(data).hexdigest()
                told["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 130}
            siblings.append(told)
        return {"id": "x", "sha": folder.name, "siblings": siblings, "tags": [], "private": True}


def git_hash(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _json(value: object, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _missing(code: str) -> Reply:
    return 404, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"


def answer(hub: Hub, method: str, path: str, body: bytes, address: str) -> Reply:
    parts = unquote(urlparse(path).path).strip("/").split("/")
    if path.startswith("/api/validate-yaml"):
        return _json({"errors": [], "warnings": []})
    if path.startswith("/api/repos/create"):
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        if hub.folder(repo) is not None:
            return _json({"error": "exists", "url": f"{address}/{repo}"}, 409)
        hub.commit(repo, {".gitattributes": b""})
        return _json({"url": f"{address}/{repo}"})
    if parts[:2] == ["api", "models"]:
        return _api(hub, parts[2:], body, address)
    if path.endswith("/info/lfs/objects/batch"):
        objects = [
            one | {"actions": {"upload": {"href": f"{address}/objects/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        return _json({"transfer": "basic", "objects": objects})
    if parts[0] == "objects" and method == "PUT":
        (hub.objects / parts[1]).write_bytes(body)
        return 200, {}, b""
    if len(parts) > 4 and parts[2] == "resolve":
        return _file(hub, "/".join(parts[:2]), parts[3], "/".join(parts[4:]), method)
    return _missing("NotFound")


def _api(hub: Hub, parts: list[str], body: bytes, address: str) -> Reply:
    repo, verb = "/".join(parts[:2]), parts[2] if len(parts) > 2 else ""
    if hub.folder(repo) is None:
        return _missing("RepoNotFound")
    if verb == "preupload":
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        return _json({"files": modes})
    if verb == "commit":
        files: dict[str, bytes] = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = (hub.objects / value["oid"]).read_bytes()
        oid = hub.commit(repo, files)
        return _json(
            {"success": True, "commitOid": oid, "commitUrl": f"{address}/{repo}/commit/{oid}"}
        )
    folder = hub.folder(repo, parts[3] if verb == "revision" else "main")
    return _missing("RevisionNotFound") if folder is None else _json(hub.listing(folder))


def _file(hub: Hub, repo: str, revision: str, name: str, method: str) -> Reply:
    folder = hub.folder(repo, revision)
    if folder is None or not (folder / name).is_file():
        return _missing("EntryNotFound")
    data = (folder / name).read_bytes()
    if method == "GET":
        hub.served.append(name)
    headers = {
        "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
        "X-Repo-Commit": folder.name,
        "Content-Length": str(len(data)),
    }
    return 200, headers, b"" if method == "HEAD" else data


@contextmanager
def serve(root: Path) -> Iterator[tuple[str, Hub]]:
    """Address and repositories of a hub that answers until the block ends."""
    hub = Hub(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, data = answer(hub, self.command, self.path, body, address)
            self.send_response(status)
            for key, value in ({"Content-Length": str(len(data))} | headers).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = _do

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address, hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
