"""`python -m kerasfer doctor`."""

import sys


def main(arguments):
    if arguments != ["doctor"]:
        print("usage: python -m kerasfer doctor\n\nSays whether training works here.")
        return 0 if arguments in (["-h"], ["--help"]) else 2
    from kerasfer.doctor import examine

    return examine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
