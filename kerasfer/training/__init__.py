"""The frame: what schemes and plug-ins share, and what a scheme of your own needs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
