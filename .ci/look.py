"""Sign in to a running demo as a manager and as an auditor, and fetch their pages and a cohort."""

import base64
import hashlib
import hmac
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

address, accounts = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())


def sign_in(role: str) -> urllib.request.OpenerDirector:
    """A browser's session of the first account with that role."""
    account = next(found for found in accounts if found["role"] == role)
    session = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    session.addheaders = [("accept", "text/html")]
    page = session.open(f"{address}/sign-in").read().decode()
    fields = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', page))
    form = {**fields, "login": account["login"], "password": account["secret"]}
    answer = session.open(f"{address}/sign-in", urllib.parse.urlencode(form).encode())
    if account.get("totp"):
        fields = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', answer.read().decode()))
        form = urllib.parse.urlencode({**fields, "code": code(account["totp"])}).encode()
        session.open(f"{address}/sign-in/code", form)
    return session


def code(secret: str) -> str:
    """The code of now (RFC 6238)."""
    step = int(time.time() // 30).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(secret), step, hashlib.sha1)
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def fetch(session: urllib.request.OpenerDirector, path: str, expected: str) -> str:
    """Fetch a page and see that it shows what it should."""
    page = str(session.open(address + path).read().decode())
    if expected not in page:
        sys.exit(f"{path} does not show '{expected}'")
    print(f"demo: {path} shows '{expected}'")
    return page


manager = sign_in("clinic_manager")
clinic = next(found for found in accounts if found["role"] == "clinic_manager")["clinic"]
fetch(manager, f"/clinics/{clinic}/segments", "low treatment adherence")
fetch(manager, f"/clinics/{clinic}/segments/over-65-low-adherence", "Members")
fetch(sign_in("platform_auditor"), "/audit", "permit")
secret = (Path(sys.argv[2]).parent / "secrets" / "metrics").read_text().strip()
request = urllib.request.Request(f"{address}/metrics", headers={"Authorization": f"Bearer {secret}"})
until = time.time() + 60  # it takes its place once its plans are made
while "\ncloister_live_workers 1.0\n" not in urllib.request.urlopen(request).read().decode():
    if time.time() > until:
        sys.exit("/metrics does not show one live worker")
    time.sleep(1)
key = next(found for found in accounts if found["role"] == "automation_system")
members = f"{address}/v1/clinics/{key['clinic']}/segments/over-65-low-adherence/members"
request = urllib.request.Request(members, headers={"Authorization": f"Bearer {key['secret']}"})
print(f"demo: the cohort has {len(json.load(urllib.request.urlopen(request))['members'])} on its first page")
