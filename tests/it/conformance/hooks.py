"""A webhook server on this machine, which answers as the one that the official suite runs in a pod."""

import base64
import http.server
import json
import threading
import time

import identities
from cryptography.hazmat.primitives.asymmetric import ec

# What the slow webhook waits. The suite's waits five seconds; what matters is that it is more than a second.
DELAY = 2.0


class Hooks:
    """The server. `seen` is all it was asked, as (path with its query, review)."""

    def __init__(self):
        self.seen = []
        # What hangs until the end.
        self.ended = threading.Event()
        handler = type("Bound", (Handler,), {"hooks": self})
        self.server = Server(("127.0.0.1", 0), handler)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = identities.certificate("hooks", key, addresses=["127.0.0.1"]).public_bytes(identities.PEM)
        tls = identities.context(certificate, identities.pem(key))
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.authority = base64.b64encode(certificate).decode()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def config(self, path, trusted=True):
        """A `clientConfig`; without the authority nobody believes who answers."""
        url = f"https://127.0.0.1:{self.server.server_port}{path}"
        return {"url": url, **({"caBundle": self.authority} if trusted else {})}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Who does not trust it hangs up; that is what some cases want."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.hooks.seen.append((self.path, review))
        path = self.path.split("?")[0]
        answer = convert(review) if path == "/crdconvert" else self.admit(path, review)
        body = json.dumps(answer).encode()
        try:
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            # Who asked went away, as some cases want it.
            pass

    def admit(self, path, review):
        request = review["request"]
        judge = JUDGES.get(path)
        if path == "/always-allow-delay-5s":
            time.sleep(DELAY)
        if path == "/pods" and (request["object"]["metadata"].get("labels") or {}).get("webhook-e2e-test") == "wait-forever":
            self.hooks.ended.wait()
        if judge is None:
            return {}
        response = {"uid": request["uid"], "allowed": True}
        verdict = judge(request)
        if isinstance(verdict, str):
            response.update(allowed=False, status={"message": verdict})
        elif verdict:
            response.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(verdict).encode()).decode())
        return {"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response}

    def log_message(self, *_):
        pass


def pods(request):
    pod, found = request["object"], ""
    if any("webhook-disallow" in it["name"] for it in pod["spec"]["containers"]):
        found += "the pod contains unwanted container name; "
    if (pod["metadata"].get("labels") or {}).get("webhook-e2e-test") == "webhook-disallow":
        found += "the pod contains unwanted label; "
    return found or None


def data(request, unwanted, kept):
    """Of an object with `data`: what may not be said in it, and what may not go."""
    is_delete = request["operation"] == "DELETE"
    of = request["oldObject" if is_delete else "object"].get("data") or {}
    word = of.get("webhook-e2e-test")
    if is_delete:
        return kept if word == "webhook-nondeletable" else None
    return unwanted if word == "webhook-disallow" else None


def config_maps(request):
    text = "the configmap cannot be deleted because it contains unwanted key and value"
    return data(request, "the configmap contains unwanted key and value", text)


def custom(request):
    text = "the custom resource cannot be deleted because it contains unwanted key and value"
    return data(request, "the custom resource contains unwanted data", text)


def stages(request):
    of, patch = request["object"].get("data") or {}, []
    if of.get("mutation-start") == "yes":
        patch.append({"op": "add", "path": "/data/mutation-stage-1", "value": "yes"})
    if of.get("mutation-stage-1") == "yes":
        patch.append({"op": "add", "path": "/data/mutation-stage-2", "value": "yes"})
    return patch


def init_container(request):
    if request["object"]["metadata"]["name"] != "webhook-to-be-mutated":
        return None
    container = {"image": "webhook-added-image", "name": "webhook-added-init-container", "resources": {}}
    return [{"op": "add", "path": "/spec/initContainers", "value": [container]}]


def definitions(request):
    labels = request["object"]["metadata"].get("labels") or {}
    return "the crd contains unwanted label" if labels.get("webhook-e2e-test") == "webhook-disallow" else None


def label(request):
    labels = request["object"]["metadata"].get("labels")
    if labels:
        return [{"op": "add", "path": "/metadata/labels/added-label", "value": "yes"}]
    return [{"op": "add", "path": "/metadata/labels", "value": {"added-label": "yes"}}]


def attach(request):
    options = request["object"]
    is_it = request["name"] == "to-be-attached-pod" and options.get("container") == "container1" and options.get("stdin")
    return "attaching to pod 'to-be-attached-pod' is not allowed" if is_it else None


JUDGES = {
    "/always-deny": lambda _: "this webhook denies all requests",
    "/always-allow-delay-5s": lambda _: None,
    "/pods": pods,
    "/pods/attach": attach,
    "/configmaps": config_maps,
    "/mutating-configmaps": stages,
    "/mutating-pods": init_container,
    "/custom-resource": custom,
    "/mutating-custom-resource": stages,
    "/crd": definitions,
    "/add-label": label,
}


def convert(review):
    """`hostPort` of v1 is `host` and `port` of v2."""
    request, converted = review["request"], []
    wanted = request["desiredAPIVersion"]
    for it in request["objects"]:
        it = dict(it)
        assert it["apiVersion"] != wanted, it
        it["apiVersion"] = wanted
        if wanted.endswith("/v2") and "hostPort" in it:
            it["host"], it["port"] = it.pop("hostPort").split(":")
        elif wanted.endswith("/v1") and "host" in it:
            it["hostPort"] = f"{it.pop('host')}:{it.pop('port', '')}"
        converted.append(it)
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
    return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}
