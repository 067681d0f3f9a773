# mypy: ignore-errors
# pjsua2 has no types and names its callbacks; its objects are taken apart by hand at the end.
# ruff: noqa: ANN001, ANN003, ANN201, ANN204, N802, F821
"""The process behind `app_phone.py`: a native app made of pjsua2, told what to do line by line.

Arguments: one JSON object. Says one line for each thing that happens, JSON after the first word.
Everything that it receives or sends by SIP goes into its log file.
"""

import base64
import json
import os
import select
import sys
from pathlib import Path

import pjsua2 as pj

wanted = json.loads(sys.argv[1])
folder = Path(wanted["folder"])
KINDS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}
calls = {}  # by number, from 1
# 180: ring on; 200: answer; 603, 486 …: refuse; 0: say nothing.
status_on_ring = wanted["on_ring"]


def say(word, **more):
    """One line; pjsua2 says some of its own."""
    print(f"@{word}", json.dumps(more), flush=True)


class Log(pj.LogWriter):
    """What went over the wire, in the file at once."""

    def __init__(self):
        super().__init__()
        self.file = (folder / "sip.log").open("ab", buffering=0)

    def write(self, entry):
        self.file.write(entry.msg.encode("utf-8", "surrogateescape"))


class Call(pj.Call):
    """One call, with a recorder of its own."""

    def __init__(self, owner, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(owner, call_id)
        self.number = len(calls) + 1
        calls[self.number] = self
        self.recorder = pj.AudioMediaRecorder()
        self.recorder.createRecorder(str(folder / f"heard-{self.number}.wav"))
        self.over = False

    def onCallState(self, _):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.connect()
        say(
            "state", call=self.number, state=info.stateText.lower(),
            status=info.lastStatusCode, reason=info.lastReason,
        )  # fmt: skip

    def onCallMediaState(self, _):
        self.connect()

    def connect(self):
        """Let it hear and be heard, as soon as there is media, and again after it was renewed."""
        try:
            audio = self.getAudioMedia(-1)
        except pj.Error:
            return  # none yet
        audio.startTransmit(self.recorder)
        tone.startTransmit(audio)

    def onDtmfDigit(self, prm):
        say("key", call=self.number, key=prm.digit)


class Account(pj.Account):
    """The registration, and what rings."""

    def onRegState(self, prm):
        active = self.getInfo().regIsActive
        say("registered", active=bool(active), status=prm.code, expires_s=prm.expiration)

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        say(
            "incoming", call=call.number,
            invite=base64.b64encode(prm.rdata.wholeMsg.encode("utf-8", "surrogateescape")).decode(),
        )  # fmt: skip
        if status_on_ring:
            respond(call, status_on_ring)


def respond(call, status):
    """Answer an INVITE."""
    options = pj.CallOpParam(True)
    options.statusCode = status
    options.opt.videoCount = options.opt.textCount = 0
    call.answer(options)


def play(hz):
    """The tone that others hear; 0: silence."""
    tone.stop()
    if hz:
        desc = pj.ToneDesc()
        desc.freq1, desc.freq2, desc.on_msec, desc.off_msec = hz, 0, 1000, 0
        tones = pj.ToneDescVector()
        tones.append(desc)
        tone.play(tones, True)


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
log = Log()
# The writer gets what the console does.
config.logConfig.level = config.logConfig.consoleLevel = 4
config.logConfig.msgLogging = 1
config.logConfig.writer = log
log.__disown__()  # pjsua2 deletes it at the end
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
config.uaConfig.userAgent = wanted["user_agent"]
config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
config.medConfig.noVad = True
config.medConfig.ecTailLen = 0
endpoint.libInit(config)
endpoint.audDevManager().setNullDev()
transport = pj.TransportConfig()
transport.boundAddress = wanted["host"]
transport.tlsConfig.method = pj.PJSIP_TLSV1_2_METHOD
endpoint.transportCreate(KINDS[wanted["transport"]], transport)
endpoint.libStart()
for codec in endpoint.codecEnum2():
    chosen = codec.codecId.lower().startswith(tuple(wanted["codecs"]))
    endpoint.codecSetPriority(codec.codecId, 255 if chosen else 0)
tone = pj.ToneGenerator()
tone.createToneGenerator(8000, 1)
play(wanted["tone_hz"])
settings = pj.AccountConfig()
settings.idUri = f"<sip:{wanted['username']}@{wanted['domain']}>"
settings.regConfig.registrarUri = wanted["registrar"]
settings.regConfig.registerOnAdd = False
settings.regConfig.timeoutSec = wanted["expires_s"]
settings.regConfig.retryIntervalSec = 0
settings.regConfig.dropCallsOnFail = False
settings.sipConfig.authCreds.append(
    pj.AuthCredInfo("digest", "*", wanted["username"], 0, wanted["password"])
)
settings.natConfig.contactRewriteUse = 0
settings.natConfig.viaRewriteUse = 0
settings.natConfig.sipOutboundUse = 0
settings.natConfig.iceEnabled = False
settings.mediaConfig.transportConfig.boundAddress = wanted["host"]
if wanted["transport"] == "tls":
    settings.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL
    settings.mediaConfig.srtpSecureSignaling = 1
account = Account()
account.create(settings)
say("ready")


def obey(what, rest):
    """One order; False: the last."""
    global status_on_ring  # noqa: PLW0603
    number, _, more = rest.partition(" ")
    call = calls.get(int(number)) if number.isdigit() else None
    if what == "register":
        account.setRegistration(True)
    elif what == "unregister":
        account.setRegistration(False)
    elif what == "call":
        options = pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        Call(account).makeCall(rest, options)
    elif what == "on-ring":
        status_on_ring = int(rest)
    elif what == "respond" and call is not None:
        respond(call, int(more))
    elif what == "hang-up" and call is not None and not call.over:
        call.hangup(pj.CallOpParam())
    elif what == "press" and call is not None:
        call.dialDtmf(more)
    elif what == "hold" and call is not None:
        call.setHold(pj.CallOpParam(True))
    elif what == "resume" and call is not None:
        options = pj.CallOpParam(True)
        options.opt.flag = pj.PJSUA_CALL_UNHOLD
        options.opt.videoCount = options.opt.textCount = 0
        call.reinvite(options)
    elif what == "play":
        play(int(rest))
    elif what == "end":
        return False
    return True


going = True
pending = b""
while going:
    endpoint.libHandleEvents(10)
    while going and select.select([0], [], [], 0)[0]:
        data = os.read(0, 4096)
        if not data:
            going = False
        pending += data
        while going and b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            order, _, rest = line.decode().partition(" ")
            try:
                going = obey(order, rest)
            except pj.Error as error:
                say("refused", order=order, why=error.reason)
for one in calls.values():
    if not one.over:
        one.hangup(pj.CallOpParam())
for _ in range(10):
    endpoint.libHandleEvents(10)
account.shutdown()
calls.clear()
del account, tone
endpoint.libDestroy()
