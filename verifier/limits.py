"""The one table of sizes: what is larger is refused before it is parsed.

ARCHITECTURE.md explains the choices. Bytes unless the name says otherwise.
"""

from __future__ import annotations

BUNDLE = 1 << 20  # of an approval or an event
ATTESTATION = 24 << 20  # a bundle with 16 MiB of predicate in Base64, 1024 subjects, and the rest
STATEMENT = 32 << 20  # an attestation carries an SBOM of up to 16 MiB
TRUST_FILE = 1 << 20
STATUS_FILE = 16 << 20  # 2,048 revocations, each with the bundle that proves it
POLICY = 256 << 10
ROOTS = 32  # offline keys of one trust file
MARKS = 2048
REVOCATIONS = 2048
CANDIDATES = 50  # bundles that are judged for one image
CANDIDATE = 4 << 20  # a bundle that is looked at while somebody waits for an image
EVIDENCE = 1 << 20  # two notes and a path
DOSSIER = 64 << 20  # all members of the zip file, of an attestation too
NOTE = 256 << 10  # 64 signatures of the post-quantum kind
NOTE_SIGNATURES = 64  # lines; C2SP demands at least 16
ORIGIN = 255  # ML-DSA cosignatures count it in one byte
ENTRY = 65_535  # tlog-tiles writes the length in two bytes
PATH = 63  # hashes; enough for any tree below 2**63 leaves
TREE_SIZE = 2**63  # exclusive
SIGNATURE = 8 << 10
KEY = 8 << 10
CERTIFICATE = 16 << 10  # DER
CHAIN = 16  # certificates, of one signature in notation's form
JSON_DEPTH = 64  # nested objects and arrays
JSON_CONTAINERS = 1 << 18  # objects and arrays, fewer in what may be small; an SBOM has 200,000
JSON_VALUES = 1 << 20
PAYLOAD = 64 << 10  # of simple signing and notation: a digest and annotations
SUBJECTS = 1024  # per statement
TIMESTAMPS = 32  # per bundle
REPOSITORY = 255
ANNOTATIONS = 64  # per subject
ANNOTATION_KEY = 128
ANNOTATION_VALUE = 1024  # UTF-8 bytes
ANNOTATIONS_TOTAL = 16 << 10  # keys and values together
MANIFEST = 4 << 20  # what registries must accept
MANIFESTS = 256  # of one image index, and digests of one batch
TAG = 128
LAYOUT_INDEX = 16 << 20  # index.json of a layout with 40,000 manifests
TAGS = 200_000  # of one repository
REPOSITORIES = 200_000  # of one registry
PAGES = 4096  # of one list that a registry gives
PAGE = 16 << 20
LOCATION = 8 << 10  # a URL that a registry sends us to; signed ones are long
CHALLENGE = 8 << 10  # a WWW-Authenticate header
TOKEN_ANSWER = 256 << 10
CREDENTIAL = 64 << 10  # of a registry: a robot's, or what a docker credential helper prints
DOCKER_CONFIG = 4 << 20
ARCHIVE_MEMBERS = 200_000  # files and directories of one tar file
ARCHIVE_HEADER = 64 << 10  # of pax, for one member
REFERRERS = 1024  # that are listed for one digest
FETCHED = 64 << 20  # a page of bundles, of a service
CARRIED = 8192  # referrers of one image, and theirs
SIGNATURE_LAYERS = 1024  # under one tag `.sig` or `.att`
SIGNATURES = 64 << 20  # of one digest, all that are read together
NAME = 64  # of a key or a witness
ADMISSION = 8 << 20  # an AdmissionReview: an object of the cluster twice, 3 MiB at most each
IMAGES = 128  # that one object of the cluster names
CLOCK_SKEW_S = 60  # how far ahead of ours a signer's clock may be
