# SPDX-License-Identifier: Apache-2.0
"""Kind: a key or certificate of a kind that the documents exclude is refused wherever one is read. The places are those
of test_edges_files.py, of which a new one cannot be missing: each whose file is PEM is given keys of other kinds.
"""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import edges
import test_edges_files as files
from kapu import broker

KIND = "kinds of keys"
MADE = {"P-256": lambda: ec.generate_private_key(ec.SECP256R1()), "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "K-256": lambda: ec.generate_private_key(ec.SECP256K1()), "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "RSA": lambda: rsa.generate_private_key(65537, 2048)}
PARTNER = {"ca.pem": "ca.key", "kapu.pem": "kapu.key"}  # a certificate and the private key of it
ANY_KIND = ("ek-cas.pem",)  # authorities of TPM makers, who choose
world = files.world  # the fixture


@pytest.fixture(scope="module")
def keys():
    return {name: make() for name, make in MADE.items()}


def private_pem(key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_pem(key, *, authority=False, usage=x509.ExtendedKeyUsageOID.CLIENT_AUTH) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other")])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), True))
    if not authority:
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), False)
    return broker.pem(made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()))


def is_pem(place) -> bool:
    return b"-----BEGIN" in place.path.read_bytes()


def other_of(place, key, authority: bool) -> bytes:
    good = place.path.read_bytes()
    if b"PRIVATE KEY" in good:
        return private_pem(key)
    return certificate_pem(key, authority=authority) if b"BEGIN CERTIFICATE" in good else public_pem(key)


@pytest.mark.share(2)
def test_each_place_refuses_keys_of_other_kinds(world, keys):
    places = {name: place for name, place in [*world.in_folder.items(), *world.given.items()] if is_pem(place)}
    assert len(places) >= 10, places
    with edges.Cases(f"{KIND}: places") as cases:
        for name, place in places.items():
            partner = places.get(PARTNER.get(name))
            kept = {p.path: p.path.read_bytes() for p in (place, partner) if p} | place.also
            for kind, key in keys.items():
                place.path.write_bytes(other_of(place, key, name in ("ca.pem", "ek-cas.pem")))
                if partner:
                    partner.path.write_bytes(private_pem(key))
                done = place.run(world)
                told = any(str(p.path) in done.stderr for p in (place, partner) if p) or str(place.path) in done.stderr
                if kind == "P-256" or name in ANY_KIND:  # the control: it is another key, but not of another kind
                    cases.check("P-256" not in done.stderr, f"{name}, {kind}: {done}")
                else:
                    said = "P-256" in done.stderr or name in PARTNER.values()  # "is not the key of the certificate"
                    cases.check(done.returncode in (1, 2, 3) and told and said and not done.stdout, f"{name}, {kind}: {done}")
                for path, data in kept.items():
                    path.write_bytes(data)


def test_certificates_for_something_else_are_refused(world, keys):
    """What an authority's and what a client's certificate must be good for."""
    key = keys["P-256"]
    leaf, server = certificate_pem(key), certificate_pem(key, usage=x509.ExtendedKeyUsageOID.SERVER_AUTH)
    rows = {  # the file, what is given, and what is said; None: not that it is of the wrong kind
        ("ca.pem", "a client's"): (leaf, "no authority's certificate"), ("ca.pem", "good"): (certificate_pem(key, authority=True), None),
        ("ek-cas.pem", "a client's"): (leaf, "not of an authority"),
        ("ek-cas.pem", "good"): (certificate_pem(key, authority=True), None),
        ("kapu.pem", "a server's"): (server, "not for a client"), ("kapu.pem", "good"): (leaf, None),
    }
    with edges.Cases(f"{KIND}: usage") as cases:
        for (name, what), (data, said) in rows.items():
            place, partner = world.in_folder[name], world.in_folder.get(PARTNER.get(name))
            kept = {p.path: p.path.read_bytes() for p in (place, partner) if p}
            place.path.write_bytes(data)
            if partner:
                partner.path.write_bytes(private_pem(key))
            done = place.run(world)
            if said:
                cases.check(done.returncode in (1, 2, 3) and str(place.path) in done.stderr and said in done.stderr,
                            f"{name}, {what}: {done}")
            else:
                cases.check(not any(words in done.stderr for _, words in rows.values() if words), f"{name}, {what}: {done}")
            for path, good in kept.items():
                path.write_bytes(good)
