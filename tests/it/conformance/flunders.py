"""The sample API server, played by the test: `flunders` of `wardle.example.com`, kept in memory. Like the real one it
believes only the cluster's own proxy about who asks, and asks the cluster whether they may, both by what its service
account may read."""

import itertools
import json
import threading
import uuid

import identities
from answering import serving
from harness import now

GROUP, VERSION = "wardle.example.com", "v1alpha1"
HERE = f"/apis/{GROUP}/{VERSION}"
VERBS = {"GET": "get", "POST": "create", "DELETE": "delete"}


class Flunders:
    """The server at a pod's address, behind the certificate that a Secret holds. Use it in a `with`."""

    def __init__(self, cluster, address, certificate, key):
        self.cluster, self.address = cluster, address
        asked = cluster.ok("POST", f"/api/v1/namespaces/{cluster.ns}/serviceaccounts/default/token", {"spec": {"expirationSeconds": 3600}})
        self.own = {"Authorization": f"Bearer {asked['status']['token']}"}
        told = self._ask("GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication")["data"]
        self.proxies = json.loads(told["requestheader-allowed-names"])
        self.users, self.groups = (json.loads(told[f"requestheader-{what}-headers"])[0] for what in ("username", "group"))
        self.tls = identities.context(certificate, key, told["requestheader-client-ca-file"])
        self.objects, self.versions, self.lock = {}, itertools.count(2), threading.Lock()
        self.seen = []

    def __enter__(self):
        self.serving = serving(self.address, 443, self.tell, self.tls)
        self.serving.__enter__()
        return self

    def __exit__(self, *_):
        self.serving.__exit__(None, None, None)

    def _ask(self, method, path, body=None):
        """As the service account; the test's own certificate stays at home."""
        return self.cluster.bare(method, path, body, self.own)

    def tell(self, asked):
        self.seen.append((asked.method, asked.target))
        if asked.peer not in self.proxies:
            return status(401, "Unauthorized", f"{asked.peer} is no proxy")
        user, groups = asked.headers[self.users], asked.headers.get_all(self.groups)
        parts = asked.path.strip("/").split("/")
        if not self._may(user, groups, asked, parts):
            return status(403, "Forbidden", f"{user} may not {asked.method} {asked.path}")
        with self.lock:
            return self._tell(asked, parts)

    def _may(self, user, groups, asked, parts):
        """What the cluster says to that."""
        verb = VERBS.get(asked.method, "update")
        about = {"nonResourceAttributes": {"path": asked.path, "verb": verb}}
        if len(parts) > 5:
            verb = "list" if verb == "get" and len(parts) == 6 else verb
            name = parts[6] if len(parts) > 6 else ""
            attributes = {"group": GROUP, "version": VERSION, "resource": parts[5], "namespace": parts[4], "name": name, "verb": verb}
            about = {"resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": user, "groups": groups, **about}}
        return self._ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]

    def _tell(self, asked, parts):
        if asked.path == HERE:
            line = {"name": "flunders", "singularName": "", "namespaced": True, "kind": "Flunder"}
            fischers = {"name": "fischers", "singularName": "", "namespaced": False, "kind": "Fischer"}
            verbs = {"verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]}
            lines = [{**fischers, **verbs}, {**line, **verbs}]
            return 200, {}, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": lines}
        if not asked.path.startswith(f"{HERE}/namespaces/") or parts[5:6] != ["flunders"]:
            return status(404, "NotFound", "the server could not find the requested resource")
        key = tuple(parts[4:5] + parts[6:])
        if asked.method == "POST":
            return self._create(parts[4], json.loads(asked.body))
        if len(key) == 1:
            items = [it for at, it in self.objects.items() if at[0] == key[0]]
            meta = {"resourceVersion": str(next(self.versions))}
            return 200, {}, {"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": meta, "items": items}
        if key not in self.objects:
            return status(404, "NotFound", f'flunders.{GROUP} "{key[1]}" not found')
        if asked.method == "DELETE":
            del self.objects[key]
            return 200, {}, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return 200, {}, self.objects[key]

    def _create(self, namespace, body):
        meta = body["metadata"]
        meta |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": now(), "resourceVersion": str(next(self.versions))}
        key = namespace, meta["name"]
        if key in self.objects:
            return status(409, "AlreadyExists", f'flunders.{GROUP} "{meta["name"]}" already exists')
        self.objects[key] = {"kind": "Flunder", "apiVersion": f"{GROUP}/{VERSION}", "spec": {}, "status": {}, **body}
        return 201, {}, self.objects[key]


def status(code, reason, message):
    return code, {}, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code}
