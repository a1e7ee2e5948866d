import json

json.missing
