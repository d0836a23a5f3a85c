"""Names the units of the Python suite: the test modules given as arguments, as far as this interpreter has them."""

import importlib.util
import pkgutil
import sys

# Seconds for a whole unit; a single test has less (python_watch.py).
LIMIT = 400
# Modules that take minutes, and are divided so that several parts run at once.
DIVIDED = {"multiprocessing_fork", "multiprocessing_forkserver", "multiprocessing_spawn", "concurrent_futures"}


def classes(module):
    """The test classes of a module or of a package of modules, by full name, in an order that stays."""
    import unittest
    loaded = unittest.defaultTestLoader.loadTestsFromName(module)
    found = set()
    waiting = [loaded]
    while waiting:
        for item in waiting.pop():
            if isinstance(item, unittest.TestSuite):
                waiting.append(item)
            elif item.id().startswith(module):
                found.add(item.id().rpartition(".")[0])
    return sorted(found)


def main():
    names = sys.argv[1:]
    if "asyncore" in names:
        import test.test_asyncio as package
        for module in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
            if module.startswith("test_"):
                print(f"test.test_asyncio.{module}\t{LIMIT}")
    for name in names:
        module = f"test.test_{name}"
        if importlib.util.find_spec(module) is None:
            continue
        if name in DIVIDED:
            for part in classes(module):
                print(f"{part}\t{LIMIT}")
        else:
            print(f"{module}\t{LIMIT}")


main()
