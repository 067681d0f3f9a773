"""The simulated carrier that `maskline demo` and the end-to-end tests put at the end of a trunk.

SIPp does the signalling, a small RTP endpoint carries tones and says which tones it heard. Nothing
here is on the path of a real call, and nothing here imports another room of the house.

```python
async with Carrier("127.0.0.40", 5080, toward=("127.0.0.1", 5060)) as carrier:
    carrier.on_invite(Answer(ring_ms=300, tone_hz=700))  # what our phones do when rung
    call = await carrier.call("+74951110001", from_="+79161234567", tone_hz=450)
    await call.wait_up()
    leg = await carrier.incoming()  # the call as the callee's phone has it
    await call.hear(700)  # each hears the other's tone
    await leg.hear(450)
    await call.hang_up()
    leg.seen_caller, leg.invite.header("From"), leg.received_bytes  # every byte is kept
```

Keys and announcements: `await call.press("1234")` sends RFC 4733 events, `in_band=True` tones;
`await call.hear_sound(Sound.load(path))` waits for a recording, `call.heard().keys` tells the keys.

Hostile callers: `carrier.dial(CallSpec(…))` takes raw user parts, From, Contact, request URI,
header lines and body; `rewrite` has the last word on every datagram that leaves. In a dialog,
`call.request("REFER", ("Refer-To: …",))` sends anything. Hostile callees: header lines of `Answer`,
`Reject`, `Ring`; or `Manual` and `leg.progress()`, `leg.rewrite = …`. What reached a party is in
`call.received`, what reached a carrier at all in `carrier.received_bytes()`.
"""

from maskline.demo.behaviour import Answer, Behaviour, Manual, Reject, Ring, Silence, Trying
from maskline.demo.call import Call
from maskline.demo.carrier import Carrier
from maskline.demo.dtmf import Pace
from maskline.demo.media import Heard
from maskline.demo.sip import Message
from maskline.demo.sounds import Sound
from maskline.demo.spec import CallSpec, CallState

__all__ = [
    "Answer",
    "Behaviour",
    "Call",
    "CallSpec",
    "CallState",
    "Carrier",
    "Heard",
    "Manual",
    "Message",
    "Pace",
    "Reject",
    "Ring",
    "Silence",
    "Sound",
    "Trying",
]
