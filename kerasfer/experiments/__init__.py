"""What runs a recipe: flags, data, training, run folders, reports, studies, searches.

Nothing that trains a model imports from here. What does is a program, and quiet.
"""

from kerasfer.quiet import quiet

quiet()
