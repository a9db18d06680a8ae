"""`scalemark certificates`: what a scheduler, its workers and its clients need to trust each other.

One authority signs one certificate, and its key is thrown away: whoever holds the folder belongs
to the cluster, nobody else can be added. Dask asks both sides for a certificate of the authority
and compares no host names; `hosts` are for programs that do.
"""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tasks.errors import StoreFailed, UsageError

AUTHORITY, CERTIFICATE, KEY, CONFIG = "ca.pem", "certificate.pem", "key.pem", "dask.yaml"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def make_certificates(
    folder: Path,
    hosts: tuple[str, ...] = (),
    days: int = 365,
    seen_at: Path | None = None,
) -> Path:
    """Write an authority, a certificate with its key, and the Dask configuration that names them.

    Parameters
    ----------
    folder : Path
        Made if it is absent; readable by its owner only.
    hosts : tuple of str, optional
        Names and addresses beside this machine's own loopback.
    days : int, optional
        How long they are valid.
    seen_at : Path, optional
        Where the machines of the cluster will find the folder, if not at `folder` itself.

    Returns
    -------
    Path
        The Dask configuration: the value for `DASK_CONFIG` on every machine.

    Raises
    ------
    UsageError
        When the folder holds certificates already, or a host or the days are wrong.
    StoreFailed
        When it cannot be written.
    """
    if not 1 <= days <= 3650:
        raise UsageError(f"--days must be 1 to 3650, got {days}")
    names = [_alternative_name(host) for host in dict.fromkeys((*LOOPBACK, *hosts))]
    folder = folder.absolute()
    held = [name for name in (AUTHORITY, CERTIFICATE, KEY, CONFIG) if (folder / name).exists()]
    if held:
        raise UsageError(
            f"{folder} holds {held[0]} already: use it, name another folder, or delete it first"
        )
    config = dask_config(folder if seen_at is None else seen_at)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, days)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, authority, authority_key, names)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(folder / KEY, _pem_of(key))
        _write(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
        _write(folder / AUTHORITY, authority.public_bytes(serialization.Encoding.PEM))
        _write(folder / CONFIG, yaml.safe_dump(config, sort_keys=False).encode())
    except OSError as error:
        raise StoreFailed(f"cannot write in {folder}: {error.strerror}") from error
    return folder / CONFIG


def dask_config(folder: Path) -> dict[str, Any]:
    """Return the Dask configuration that uses the certificates of a folder, and nothing else."""
    pair = {"cert": str(folder / CERTIFICATE), "key": str(folder / KEY)}
    tls = {"ca-file": str(folder / AUTHORITY), "scheduler": pair, "worker": pair, "client": pair}
    # Copies: YAML would write one pair, and two references to it.
    tls = {name: dict(value) if isinstance(value, dict) else value for name, value in tls.items()}
    return {"distributed": {"comm": {"require-encryption": True, "tls": tls}}}


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host or not host.isascii() or any(c.isspace() or c in "/:@" for c in host):
        raise UsageError(
            f"--host {host!r} is no host name and no address, such as node1 or 10.0.0.5"
        )
    return x509.DNSName(host)


def _builder(subject: str, public_key: Any, until: dt.datetime) -> x509.CertificateBuilder:  # noqa: ANN401
    """Return what both certificates have in common; valid since yesterday, for clocks that lag."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name("scalemark authority"))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: ec.EllipticCurvePrivateKey, days: int) -> x509.Certificate:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    return (
        _builder("scalemark authority", key.public_key(), until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        _builder("scalemark cluster", key.public_key(), authority.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(both, critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)
