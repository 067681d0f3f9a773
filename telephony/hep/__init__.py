"""What a node's SIP says, as Asterisk's res_hep_pjsip sends it: read, told apart by call, kept.

Nothing here is on a call's way: Asterisk sends a datagram to loopback and never waits.
"""
