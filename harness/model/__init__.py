"""The reference model: what every step must show, from target, kernel and layout alone.

Pure, and a stranger to the side that runs guests (``harness/guest``, ``harness/observe``):
one bug cannot make both agree.
"""

from harness.model.machine import Machine
from harness.model.predict import Model

__all__ = ["Machine", "Model"]
