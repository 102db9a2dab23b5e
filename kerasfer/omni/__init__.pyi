from . import distillation as distillation
from .selection import calibrated_delta as calibrated_delta
from .selection import class_centroids as class_centroids
from .selection import cosine_margins as cosine_margins
from .selection import select as select
