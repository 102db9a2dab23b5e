"""What the scripts of data_prep share: importing, aligning, checking."""

from kerasfer.quiet import quiet

quiet()
