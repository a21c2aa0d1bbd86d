"""What scripts/bench/engine asks of a peer: a round of steps for each line of stdin (the least seconds that it is to
take), answered by a JSON line with the mean seconds a step. The same as Sources/engine-bench does."""
import json
import sys
import time


def serve(step, version):
    step()
    step()
    print(json.dumps({"ready": True, "version": version}), flush=True)
    for line in sys.stdin:
        least, steps, start = float(line), 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - start < least:
            step()
            steps += 1
        print(json.dumps({"seconds": (time.perf_counter() - start) / steps, "steps": steps}), flush=True)
