"""Certificates for the servers that a test plays."""

import datetime
import ipaddress
import os
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate(name, key, issuer=None, issuer_key=None, names=(), addresses=(), is_authority=False):
    """One for a day; without an issuer it vouches for itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    if is_authority:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    called = [x509.DNSName(it) for it in names] + [x509.IPAddress(ipaddress.ip_address(it)) for it in addresses]
    if called:
        builder = builder.add_extension(x509.SubjectAlternativeName(called), False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def issued(authority, *names):
    """An authority of this name, and what it issued for these: both certificates and the key, as PEM."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate(authority, root_key, is_authority=True)
    own = certificate(names[0], key, root, root_key, names)
    return root.public_bytes(PEM), own.public_bytes(PEM), pem(key)


def context(chain, key, clients=None):
    """A server's TLS; with authorities of clients (PEM) it asks who they are, and hangs up on strangers."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(chain + key)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file.name)
    os.unlink(file.name)
    if clients:
        made.load_verify_locations(cadata=clients)
        made.verify_mode = ssl.CERT_REQUIRED
    return made
