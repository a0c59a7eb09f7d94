"""Penstroke on Ray Serve, on any number of machines: ``serve run deploy.ray_serve:penstroke``, in this folder's parent.

It needs the packages ``penstroke[serve]`` and ``ray[serve]`` on each machine.
"""

from ray import serve

from penstroke.serve.asgi import Application
from penstroke.serve.settings import Settings


@serve.deployment(num_replicas=1, max_ongoing_requests=600, ray_actor_options={"num_cpus": 2})
@serve.ingress(Application("ready", Settings(workers=2)))
class Penstroke:
    """A replica: the application with its worker processes."""


penstroke = Penstroke.bind()
