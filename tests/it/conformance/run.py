"""Runs conformance cases against a cluster: `run.py KUBECONFIG [PART-OF-A-NAME…]`.

A line a case: `pass NAME` or `FAIL NAME: why`. `SERIAL` cases run alone, after all others; `APART` ones only when
they are asked for, on a server that is set up for them.
"""

import concurrent.futures
import importlib
import pathlib
import sys
import traceback

import harness

HERE = pathlib.Path(__file__).parent
# Most wait for a minute of the clock, or for a controller.
WORKERS = 10
# What changes a thing of the whole cluster that another case looks at, by its place in the module.
SERIAL = set()
# What waits for a thing that the server does every few minutes, unless it is told to do it sooner.
APART = set()


def one(kubeconfig, name):
    cluster = harness.Cluster(kubeconfig)
    try:
        cluster.ns = cluster.namespace()
        try:
            harness.CASES[name](cluster)
        finally:
            cluster.close()
        return name, None
    except Exception as error:
        trace = traceback.extract_tb(error.__traceback__)
        place = next((f"{pathlib.Path(at.filename).name}:{at.lineno}" for at in reversed(trace) if "/cases/" in at.filename), "")
        return name, f"{place} {type(error).__name__}: {error}".replace("\n", " ")[:3000]


def main():
    kubeconfig, *parts = sys.argv[1:]
    for file in sorted((HERE / "cases").glob("*.py")):
        module = importlib.import_module(f"cases.{file.stem}")
        SERIAL.update(getattr(module, "SERIAL", ()))
        APART.update(getattr(module, "APART", ()))
    chosen = [name for name in harness.CASES if (any(part in name for part in parts) if parts else name not in APART)]
    failed = 0

    def say(outcome):
        nonlocal failed
        name, why = outcome
        failed += why is not None
        print(f"pass {name}" if why is None else f"FAIL {name}: {why}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        waits = [pool.submit(one, kubeconfig, name) for name in chosen if name not in SERIAL]
        for done in concurrent.futures.as_completed(waits):
            say(done.result())
    for name in chosen:
        if name in SERIAL:
            say(one(kubeconfig, name))
    print(f"{len(chosen) - failed} of {len(chosen)} passed")
    sys.exit(1 if failed else 0)


main()
