"""`python -m kerasfer`, the same as `kerasfer`."""

from kerasfer.cli import run

if __name__ == "__main__":
    run()
