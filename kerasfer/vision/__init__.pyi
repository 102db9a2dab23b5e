from . import alignment as alignment
from . import detection as detection
from . import images as images
