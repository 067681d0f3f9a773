"""The SIP client of the tests starts without a sound card and goes away cleanly."""

from tests.support.pjsua2_probe import run_with_pjsua2

SCRIPT = """
import pjsua2 as pj

endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 0
config.logConfig.consoleLevel = 0
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
endpoint.libInit(config)
endpoint.audDevManager().setNullDev()
transport = pj.TransportConfig()
transport.boundAddress = "127.0.0.1"
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
print("probe: state", endpoint.libGetState() == pj.PJSUA_STATE_RUNNING)
print("probe: codecs", *sorted(codec.codecId for codec in endpoint.codecEnum2()))
endpoint.libDestroy()
print("probe: destroyed")
"""


def test_an_endpoint_without_a_sound_card_comes_and_goes() -> None:
    done = run_with_pjsua2(SCRIPT)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("probe: ")]
    state, codecs, destroyed = (line.removeprefix("probe: ") for line in said)
    assert (state, destroyed) == ("state True", "destroyed")
    for codec in ("PCMA/8000/1", "PCMU/8000/1", "opus/48000/2"):
        assert codec in codecs
