"""A plain FastAPI handler around the classifier, on uvicorn with httptools and uvloop."""

import sys

import uvicorn
from fastapi import FastAPI, Request

from penstroke import Classifier

app = FastAPI()
classifier = Classifier.load("ready")


@app.post("/v1/predict")
async def predict(request: Request) -> dict[str, object]:
    return classifier.predict(await request.body()).to_json()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="error")
