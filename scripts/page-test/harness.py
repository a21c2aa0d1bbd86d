"""What the tests of the page share: the server, pictures, and how a finding is told."""
import contextlib, os, pathlib, subprocess

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("GX_BIN") or HERE.parents[1] / ".build/bin").resolve()

failures = []


def check(is_so, what, detail=""):
    """Says whether it is so; goes on in any case."""
    print(f"{'ok  ' if is_so else 'FAIL'} {what}" + ("" if is_so or detail == "" else f": {detail}"), flush=True)
    if not is_so:
        failures.append(what)


@contextlib.contextmanager
def server(log, *arguments):
    """gx-serve on a free port of this machine, with its access log in a file; gives its address."""
    process = subprocess.Popen(
        [BIN / "gx-serve", "--listen", "127.0.0.1:0", "--access-log", log, *arguments],
        stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "http://127.0.0.1:" in line:
                yield "http://" + line.split("http://", 1)[1].split()[0].rstrip("/.,")
                break
        else:
            raise RuntimeError(f"gx-serve did not start: it exited with {process.wait()}")
    finally:
        process.terminate()
        process.stderr.close()
        check(process.wait(30) == 0, "the server stops when told to", process.returncode)


def make_pictures(folder):
    """20 pictures, one of them broken; some with names that are hard to print, to quote or to trust."""
    subprocess.run([BIN / "gx-synth", "-q", "-n", "20", "--size", "128", "--pictures", folder / "synth"],
                   check=True, stdout=subprocess.DEVNULL)
    sources = sorted((folder / "synth").rglob("*.png"))
    names = [f"galaxy {i:02}.png" for i in range(len(sources))]
    names[1] = "broken.png"
    names[2] = 'J0946, "the arc".png'
    names[3] = '=HYPERLINK("evil").png'
    names[4] = "<img src=x onerror=alert(1)>.png"
    names[5] = "galaxie spirale numéro 5, " + "from a survey with very long names " * 4 + ".png"
    names[6] = "@SUM(A1).png"
    pictures = []
    for source, name in zip(sources, names):
        data = source.read_bytes()
        (folder / name).write_bytes(data[:len(data) // 2] if name == "broken.png" else data)
        pictures.append(folder / name)
    return pictures
