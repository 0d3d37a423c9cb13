"""`python -m tardal_ros COMMAND …`."""

import sys

from tardal_ros.commands import main

if __name__ == "__main__":
    sys.exit(main())
