# certificates DIRECTORY: an authority, and certificates that are good, expired and revoked, by openssl.

certificates() (
    set -e
    mkdir -p "$1"
    cd "$1"
    cat > authority.cnf << 'END'
[ca]
default_ca = authority
[authority]
database = index.txt
serial = serial
crlnumber = crlnumber
crl_extensions = revocations
new_certs_dir = .
certificate = authority.pem
private_key = authority.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = policy
unique_subject = no
[revocations]
authorityKeyIdentifier = keyid:always
[policy]
commonName = supplied
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
END
    : > index.txt
    echo 1000 > serial
    echo 1000 > crlnumber
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=interop authority" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout authority.key -out authority.pem
    issue() { # NAME EXTENSIONS COMMON_NAME FLAGS...
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$1.key" -out "$1.csr"
        openssl ca -batch -notext -config authority.cnf -extensions "$2" -in "$1.csr" -out "$1.pem" "${@:4}"
    }
    issue server server localhost
    issue server_expired server localhost -startdate 20200101000000Z -enddate 20210101000000Z
    issue client client "meter 7"
    issue client_expired client "meter 8" -startdate 20200101000000Z -enddate 20210101000000Z
    issue client_revoked client "meter 9"
    openssl ca -config authority.cnf -revoke client_revoked.pem
    openssl ca -config authority.cnf -gencrl -out revoked.pem
) > "$1.log" 2>&1
