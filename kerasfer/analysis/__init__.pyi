from . import figures as figures
from . import inspection as inspection
from . import statistics as statistics
