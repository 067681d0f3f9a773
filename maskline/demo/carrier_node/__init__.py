"""The demo's carrier: a second, private Asterisk with the buyer's and the seller's mobiles on it.

To Maskline it is a SIP trunk like any other; to the demo page it is where the two mobiles, WebRTC
phones in the browser, are registered. Only `maskline up --demo` starts it.
"""

from maskline.demo.carrier_node.node import CarrierNode, CarrierPlace, Mobile

__all__ = ["CarrierNode", "CarrierPlace", "Mobile"]
